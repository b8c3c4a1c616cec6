import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple2;

/** Writes keys with their values, a file for each subtask. */
final class ResultSink implements Sink<Tuple2<String, Long>> {
    private static final long serialVersionUID = 1;
    private final String folder;

    ResultSink(Arguments arguments) {
        folder = arguments.output().toString();
    }

    @Override
    public SinkWriter<Tuple2<String, Long>> createWriter(WriterInitContext context) {
        Results results = new Results(folder, context.getTaskInfo().getIndexOfThisSubtask());
        return new SinkWriter<>() {
            @Override
            public void write(Tuple2<String, Long> pair, Context ignored) {
                results.write(pair.f0, pair.f1);
            }

            @Override
            public void flush(boolean endOfInput) {}

            @Override
            public void close() {
                results.close();
            }
        };
    }
}
