import java.util.concurrent.atomic.LongAdder;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.Optional;
import org.apache.spark.streaming.State;
import org.apache.spark.streaming.StateSpec;
import org.apache.spark.streaming.api.java.JavaMapWithStateDStream;
import scala.Tuple2;

/** A running count by key with mapWithState, which needs a folder for checkpoints and writes one every ten batches. */
final class CountWithState {
    private static final LongAdder UPDATES = new LongAdder();

    private CountWithState() {}

    static void users(JavaSparkContext sc, Arguments arguments) throws Exception {
        String folder = arguments.output().toString();
        Replay<String> replay = new Replay<>(sc, CountInWindows.rdds(sc, arguments));
        replay.context().checkpoint(arguments.checkpoints());
        JavaMapWithStateDStream<String, Long, Long, Tuple2<String, Long>> counts = replay.records()
                .mapToPair(line -> new Tuple2<>(Fields.second(line), 1L))
                .reduceByKey(Long::sum)
                .mapWithState(StateSpec.function(CountWithState::add).numPartitions(2 * arguments.threads()));

        UPDATES.reset();
        counts.foreachRDD(updated -> UPDATES.add(updated.count()));
        counts.stateSnapshots().foreachRDD((state, time) -> {
            if (Replay.isLast(time)) {
                state.foreachPartition(pairs -> {
                    try (Results results = new Results(folder, TaskContext.getPartitionId() + 1)) {
                        pairs.forEachRemaining(pair -> results.write(pair._1, pair._2));
                    }
                });
            }
            Replay.done(time);
        });
        replay.run();
        try (Results results = new Results(folder, 0)) {
            results.write("updates", UPDATES.sum());
        }
    }

    private static Tuple2<String, Long> add(String user, Optional<Long> added, State<Long> count) {
        long sum = (count.exists() ? count.get() : 0) + added.orElse(0L);
        count.update(sum);
        return new Tuple2<>(user, sum);
    }
}
