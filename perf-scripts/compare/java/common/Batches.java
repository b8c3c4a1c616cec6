import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Inputs in batches: a folder with a file for each second of the stream. */
final class Batches {
    /** As in workloads/seconds.py. */
    static final long START = 1_700_000_000L / 3_600 * 3_600;
    static final long WINDOW_SECONDS = 30;

    private Batches() {}

    /** The files, in the order of their names. */
    static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }
}
