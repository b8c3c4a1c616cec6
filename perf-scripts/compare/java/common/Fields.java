/** Fields of a line between single spaces. */
final class Fields {
    private Fields() {}

    /** The second field. */
    static String second(String line) {
        int start = line.indexOf(' ') + 1;
        return line.substring(start, line.indexOf(' ', start));
    }

    /** The number behind the last space. */
    static long lastNumber(String line) {
        return Long.parseLong(line, line.lastIndexOf(' ') + 1, line.length(), 10);
    }

    /** The seconds since 1970 that a line begins with, in ten digits. */
    static long time(String line) {
        return Long.parseLong(line, 0, 10, 10);
    }
}
