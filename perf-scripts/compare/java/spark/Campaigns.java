import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Queue;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.Duration;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import scala.Tuple2;

/** The modified Yahoo streaming benchmark: the events lie in cached RDDs as objects, the campaigns of the ads in a broadcast map. */
final class Campaigns {
    private static final Duration WINDOW = Durations.seconds(Events.WINDOW_SECONDS);

    private final List<JavaRDD<Events.Event>> batches;
    private final Broadcast<HashMap<Long, Integer>> campaignOfAd;

    private Campaigns(List<JavaRDD<Events.Event>> batches, Broadcast<HashMap<Long, Integer>> campaignOfAd) {
        this.batches = batches;
        this.campaignOfAd = campaignOfAd;
    }

    /** Makes the events of all batches and keeps them in memory. */
    static Campaigns prepare(JavaSparkContext sc, Arguments arguments) throws IOException {
        Events load = Events.read(arguments);
        int parts = arguments.threads();
        List<JavaRDD<Events.Event>> batches = new java.util.ArrayList<>();
        List<Integer> numbers = java.util.stream.IntStream.range(0, parts).boxed().toList();
        for (long second = 0; second < load.seconds(); second++) {
            long of = second;
            JavaRDD<Events.Event> batch = sc.parallelize(numbers, parts)
                    .flatMap(part -> Arrays.asList(load.of(of, part, parts)).iterator())
                    .persist(StorageLevel.MEMORY_ONLY());
            batch.count();
            batches.add(batch);
        }
        return new Campaigns(batches, sc.broadcast(load.campaignOfAd()));
    }

    void run(JavaSparkContext sc, Arguments arguments) throws InterruptedException {
        Queue<JavaRDD<Events.Event>> queue = new ArrayDeque<>(batches);
        Replay<Events.Event> replay = new Replay<>(sc, queue);
        Broadcast<HashMap<Long, Integer>> ads = campaignOfAd;
        JavaPairDStream<Integer, Long> counts = replay.records()
                .filter(event -> event.type == Events.VIEW)
                .mapToPair(event -> new Tuple2<>(ads.value().get(event.ad), 1L))
                .filter(pair -> pair._1 != null)
                .reduceByKeyAndWindow(Long::sum, WINDOW, WINDOW);
        String folder = arguments.output().toString();
        counts.foreachRDD((rdd, time) -> {
            long number = Replay.number(time);
            try (Results results = new Results(folder, (int) number)) {
                for (Tuple2<Integer, Long> pair : rdd.collect()) {
                    results.write(number + "\t" + pair._1, pair._2);
                }
            }
            Replay.done(time);
        });
        replay.run();
    }
}
