import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Queue;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.streaming.Duration;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import scala.Tuple2;

/** Sliding windows of 30 s, every second. The results are few: the driver writes them. */
final class CountInWindows {
    private static final Duration WINDOW = Durations.seconds(Batches.WINDOW_SECONDS);
    private static final Duration SLIDE = Durations.seconds(1);

    private CountInWindows() {}

    /** With the inverse function, which the guide recommends; it needs a folder for checkpoints. */
    static void errors(JavaSparkContext sc, Arguments arguments) throws Exception {
        Replay<String> replay = new Replay<>(sc, rdds(sc, arguments));
        replay.context().checkpoint(arguments.checkpoints());
        JavaPairDStream<String, Long> counts = replay.records()
                .filter(line -> line.contains("ERROR"))
                .mapToPair(line -> new Tuple2<>(Fields.second(line), 1L))
                .reduceByKeyAndWindow(
                        Long::sum, (a, b) -> a - b, WINDOW, SLIDE, arguments.threads(), pair -> pair._2 > 0);
        write(replay, counts, arguments);
    }

    /** The maximum has no inverse. */
    static void largest(JavaSparkContext sc, Arguments arguments) throws Exception {
        Replay<String> replay = new Replay<>(sc, rdds(sc, arguments));
        JavaPairDStream<String, Long> largest = replay.records()
                .mapToPair(line -> new Tuple2<>(Fields.second(line), Fields.lastNumber(line)))
                .reduceByKeyAndWindow(Math::max, WINDOW, SLIDE, arguments.threads());
        write(replay, largest, arguments);
    }

    /** An RDD for every file, in the order of the batches. */
    static Queue<JavaRDD<String>> rdds(JavaSparkContext sc, Arguments arguments) throws IOException {
        Queue<JavaRDD<String>> rdds = new ArrayDeque<>();
        for (var file : Batches.files(arguments.input())) {
            rdds.add(sc.textFile(file.toUri().toString(), arguments.threads()));
        }
        return rdds;
    }

    private static void write(Replay<String> replay, JavaPairDStream<String, Long> pairs, Arguments arguments)
            throws InterruptedException {
        String folder = arguments.output().toString();
        pairs.foreachRDD((rdd, time) -> {
            long number = Replay.number(time);
            try (Results results = new Results(folder, (int) number)) {
                for (Tuple2<String, Long> pair : rdd.collect()) {
                    results.write(number + "\t" + pair._1, pair._2);
                }
            }
            Replay.done(time);
        });
        replay.run();
    }
}
