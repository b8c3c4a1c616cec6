import java.time.Duration;
import org.apache.flink.api.common.functions.ReduceFunction;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;

/**
 * Sliding windows of 30 s, every second, in event time. Each second is brought down to one value per key first: Flink puts every
 * record that comes to a sliding window into all thirty of them.
 */
final class CountInWindows {
    private static final Duration WINDOW = Duration.ofSeconds(Batches.WINDOW_SECONDS);
    private static final Duration SLIDE = Duration.ofSeconds(1);

    private CountInWindows() {}

    static void errors(StreamExecutionEnvironment env, Arguments arguments) throws Exception {
        DataStream<String> lines = Lines.ofBatches(env, arguments.input());
        DataStream<Tuple2<String, Long>> hosts = lines.filter(line -> line.contains("ERROR"))
                .map(line -> new Tuple2<>(Fields.second(line), 1L))
                .returns(CountOfFile.PAIR);
        slide(Combine.of(hosts, Combine.How.SUM, 1_000), (a, b) -> new Tuple2<>(a.f0, a.f1 + b.f1), arguments);
    }

    static void largest(StreamExecutionEnvironment env, Arguments arguments) throws Exception {
        DataStream<String> lines = Lines.ofBatches(env, arguments.input());
        DataStream<Tuple2<String, Long>> values = lines
                .map(line -> new Tuple2<>(Fields.second(line), Fields.lastNumber(line)))
                .returns(CountOfFile.PAIR);
        slide(Combine.of(values, Combine.How.MAX, 1_000), (a, b) -> a.f1 >= b.f1 ? a : b, arguments);
    }

    private static void slide(
            DataStream<Tuple2<String, Long>> pairs, ReduceFunction<Tuple2<String, Long>> reduce, Arguments arguments)
            throws Exception {
        pairs.keyBy(pair -> pair.f0)
                .window(SlidingEventTimeWindows.of(WINDOW, SLIDE))
                .reduce(reduce, new Numbered(Batches.START, Batches.files(arguments.input()).size()), CountOfFile.PAIR)
                .sinkTo(new ResultSink(arguments));
    }
}
