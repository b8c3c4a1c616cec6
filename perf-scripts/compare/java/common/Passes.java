import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Runs a workload several times over in one JVM and tells what each pass took: {@code pass NUMBER SECONDS CPU_SECONDS
 * CPU_SECONDS_SINCE_START}. The first pass is what one gets from a cold start, the last what a JVM that is warm does.
 */
final class Passes {
    private static final OperatingSystemMXBean PROCESS =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private Passes() {}

    /** A workload, which has written its results when it returns. */
    interface Work {
        void run() throws Exception;
    }

    static void run(Arguments arguments, Work work) throws Exception {
        PrintStream out = System.out;
        for (int pass = 1; pass <= arguments.passes(); pass++) {
            clear(arguments.output());
            // What the pass before has left behind is not this one's business.
            System.gc();
            long cpu = PROCESS.getProcessCpuTime();
            long begin = System.nanoTime();
            work.run();
            double seconds = (System.nanoTime() - begin) / 1e9;
            long end = PROCESS.getProcessCpuTime();
            out.printf(Locale.ROOT, "pass %d %.6f %.3f %.3f%n", pass, seconds, (end - cpu) / 1e9, end / 1e9);
            out.flush();
        }
    }

    private static void clear(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            files.filter(path -> !path.equals(folder)).sorted(Comparator.reverseOrder()).forEach(Passes::delete);
        }
    }

    private static void delete(Path path) {
        try {
            Files.delete(path);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
