import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file of results: fields between tabs, in no particular order. */
final class Results implements AutoCloseable {
    private final Writer writer;

    Results(String folder, int part) {
        try {
            writer = Files.newBufferedWriter(Path.of(folder, "part-" + part), StandardCharsets.UTF_8);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    void write(String key, long value) {
        try {
            writer.write(key);
            writer.write('\t');
            writer.write(Long.toString(value));
            writer.write('\n');
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public void close() {
        try {
            writer.close();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
