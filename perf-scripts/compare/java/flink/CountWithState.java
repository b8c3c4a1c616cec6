import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/** A running count by key in a ValueState on the heap: one update per second and key, each of which is put out. */
final class CountWithState extends KeyedProcessFunction<String, Tuple2<String, Long>, Tuple2<String, Long>> {
    private static final long serialVersionUID = 1;
    private static final LongAdder UPDATES = new LongAdder();
    private static final OutputTag<Tuple2<String, Long>> LAST = new OutputTag<>("last", CountOfFile.PAIR);

    private transient ValueState<Long> count;

    private CountWithState() {}

    static void users(StreamExecutionEnvironment env, Arguments arguments) throws Exception {
        UPDATES.reset();
        DataStream<String> lines = Lines.ofBatches(env, arguments.input());
        DataStream<Tuple2<String, Long>> users =
                lines.map(line -> new Tuple2<>(Fields.second(line), 1L)).returns(CountOfFile.PAIR);
        var counts = Combine.of(users, Combine.How.SUM, 1_000).keyBy(pair -> pair.f0).process(new CountWithState());
        counts.returns(CountOfFile.PAIR).sinkTo(new DiscardingSink<>());
        counts.getSideOutput(LAST).sinkTo(new ResultSink(arguments));
    }

    /** What is known only at the end. */
    static void finish(Arguments arguments) {
        try (Results results = new Results(arguments.output().toString(), arguments.threads())) {
            results.write("updates", UPDATES.sum());
        }
    }

    @Override
    public void open(OpenContext context) {
        count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
    }

    @Override
    public void processElement(Tuple2<String, Long> pair, Context context, Collector<Tuple2<String, Long>> out)
            throws Exception {
        Long before = count.value();
        if (before == null) {
            context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
        }
        long sum = (before == null ? 0 : before) + pair.f1;
        count.update(sum);
        UPDATES.increment();
        out.collect(new Tuple2<>(pair.f0, sum));
    }

    /** The end of the stream: what the count has come to. */
    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Tuple2<String, Long>> out) throws Exception {
        context.output(LAST, new Tuple2<>(context.getCurrentKey(), count.value()));
    }
}
