import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** Puts the number of the second at whose end a window ends before the key; windows that end after the input are left out. */
final class Numbered extends ProcessWindowFunction<Tuple2<String, Long>, Tuple2<String, Long>, String, TimeWindow> {
    private static final long serialVersionUID = 1;
    private final long startSecond;
    private final long seconds;

    Numbered(long startSecond, long seconds) {
        this.startSecond = startSecond;
        this.seconds = seconds;
    }

    @Override
    public void process(
            String key, Context context, Iterable<Tuple2<String, Long>> reduced, Collector<Tuple2<String, Long>> out) {
        long number = context.window().getEnd() / 1_000 - startSecond;
        if (number <= seconds) {
            out.collect(new Tuple2<>(number + "\t" + key, reduced.iterator().next().f1));
        }
    }
}
