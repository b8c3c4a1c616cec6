import java.nio.file.Path;

/** {@code PROGRAM WORKLOAD INPUT OUTPUT THREADS PASSES}, the same for every JVM program. */
record Arguments(String workload, Path input, Path output, int threads, int passes) {
    static Arguments of(String[] args) {
        if (args.length != 5) {
            throw new IllegalArgumentException("usage: PROGRAM WORKLOAD INPUT OUTPUT THREADS PASSES");
        }
        return new Arguments(
                args[0], Path.of(args[1]), Path.of(args[2]), Integer.parseInt(args[3]), Integer.parseInt(args[4]));
    }

    /** A folder for checkpoints, beside that of the results. */
    String checkpoints() {
        return output.resolveSibling("checkpoints").toUri().toString();
    }

    /** How an engine is told of the input. */
    String inputUri() {
        return input.toAbsolutePath().toUri().toString();
    }
}
