/** Lines of an access log in common or combined format, taken apart without a regular expression. */
final class AccessLogLine {
    private AccessLogLine() {}

    /** {@code status<TAB>path}, or null when the line is malformed. */
    static String statusAndPath(String line) {
        int time = line.indexOf(" [");
        int timeEnd = time < 0 ? -1 : line.indexOf("] \"", time);
        int method = timeEnd + 3;
        int methodEnd = timeEnd < 0 ? -1 : line.indexOf(' ', method);
        int requestEnd = methodEnd < 0 ? -1 : line.indexOf("\" ", method);
        if (requestEnd < methodEnd || requestEnd < 0) {
            return null;
        }
        int pathEnd = line.lastIndexOf(' ', requestEnd);
        int status = requestEnd + 2;
        boolean isWellFormed = pathEnd > methodEnd && isStatus(line, status);
        return isWellFormed ? line.substring(status, status + 3) + '\t' + line.substring(methodEnd + 1, pathEnd) : null;
    }

    private static boolean isStatus(String line, int at) {
        return line.length() > at + 4
                && line.charAt(at) != '0'
                && isDigit(line.charAt(at))
                && isDigit(line.charAt(at + 1))
                && isDigit(line.charAt(at + 2))
                && line.charAt(at + 3) == ' ';
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }
}
