import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import scala.Tuple2;

/** A file as a stream of one batch, counted by key. Each partition of the result is written as a file. */
final class CountOfFile {
    private CountOfFile() {}

    static void words(JavaSparkContext sc, Arguments arguments) throws InterruptedException {
        Replay<String> replay = lines(sc, arguments);
        count(replay, replay.records().flatMap(line -> Arrays.asList(line.split(" ")).iterator()), arguments);
    }

    static void requests(JavaSparkContext sc, Arguments arguments) throws InterruptedException {
        Replay<String> replay = lines(sc, arguments);
        count(replay, replay.records().map(AccessLogLine::statusAndPath).filter(key -> key != null), arguments);
    }

    static void keys(JavaSparkContext sc, Arguments arguments) throws InterruptedException {
        Replay<String> replay = lines(sc, arguments);
        count(replay, replay.records(), arguments);
    }

    private static Replay<String> lines(JavaSparkContext sc, Arguments arguments) {
        JavaRDD<String> file = sc.textFile(arguments.inputUri(), arguments.threads());
        return new Replay<>(sc, new ArrayDeque<>(List.of(file)));
    }

    private static void count(Replay<String> replay, JavaDStream<String> keys, Arguments arguments) throws InterruptedException {
        String folder = arguments.output().toString();
        JavaPairDStream<String, Long> counts = keys.mapToPair(key -> new Tuple2<>(key, 1L)).reduceByKey(Long::sum);
        counts.foreachRDD((rdd, time) -> {
            rdd.foreachPartition(pairs -> {
                try (Results results = new Results(folder, TaskContext.getPartitionId())) {
                    pairs.forEachRemaining(pair -> results.write(pair._1, pair._2));
                }
            });
            Replay.done(time);
        });
        replay.run();
    }
}
