import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.stream.LongStream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.util.Collector;

/** The modified Yahoo streaming benchmark: the events lie in memory as objects, and so does the table of the ads. */
final class Campaigns {
    /** What the tasks read; they are in this process. */
    private static Events.Event[][] seconds;
    private static HashMap<Long, Integer> campaignOfAd;

    private Campaigns() {}

    /** Makes the events of all seconds. */
    static void prepare(Arguments arguments) throws IOException {
        Events load = Events.read(arguments);
        campaignOfAd = load.campaignOfAd();
        seconds = new Events.Event[(int) load.seconds()][];
        for (int second = 0; second < seconds.length; second++) {
            seconds[second] = load.of(second, 0, 1);
        }
    }

    static void count(StreamExecutionEnvironment env, Arguments arguments) {
        List<Long> numbers = LongStream.range(0, seconds.length).boxed().toList();
        DataStream<Events.Event> events = env.fromData(numbers)
                .rebalance()
                .flatMap(new OfSecond())
                .returns(TypeInformation.of(Events.Event.class))
                .assignTimestampsAndWatermarks(WatermarkStrategy.<Events.Event>forGenerator(
                                context -> new EveryNewTime<>(1_000))
                        .withTimestampAssigner((event, ignored) -> event.timeMs));
        DataStream<Tuple2<String, Long>> views = events.filter(event -> event.type == Events.VIEW)
                .flatMap(Campaigns::join)
                .returns(CountOfFile.PAIR);
        Combine.of(views, Combine.How.SUM, Events.WINDOW_SECONDS * 1_000)
                .keyBy(pair -> pair.f0)
                .window(TumblingEventTimeWindows.of(Duration.ofSeconds(Events.WINDOW_SECONDS)))
                .reduce((a, b) -> new Tuple2<>(a.f0, a.f1 + b.f1), new Numbered(0, seconds.length), CountOfFile.PAIR)
                .sinkTo(new ResultSink(arguments));
    }

    private static void join(Events.Event event, Collector<Tuple2<String, Long>> out) {
        Integer campaign = campaignOfAd.get(event.ad);
        if (campaign != null) {
            out.collect(new Tuple2<>(campaign.toString(), 1L));
        }
    }

    /** The events of a second. */
    private static final class OfSecond implements FlatMapFunction<Long, Events.Event> {
        private static final long serialVersionUID = 1;

        @Override
        public void flatMap(Long second, Collector<Events.Event> out) {
            for (Events.Event event : seconds[second.intValue()]) {
                out.collect(event);
            }
        }
    }
}
