import java.util.Queue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.Time;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.util.ManualClock;

/**
 * Batches of one second that are processed as fast as can be: the clock is set behind the last of them at once, so that all wait
 * in the scheduler's queue and none waits for the clock. It is the clock of Spark's own tests, spark.streaming.clock.
 */
final class Replay<T> {
    private static final long BATCH_MS = 1_000;

    /** The one that runs. What is done with the results must not hold it: Spark writes it into checkpoints. */
    private static volatile Replay<?> current;

    private final JavaStreamingContext context;
    private final JavaDStream<T> records;
    private final int batches;
    private final CountDownLatch isDone = new CountDownLatch(1);

    /** A stream with an RDD per batch. */
    Replay(JavaSparkContext sc, Queue<JavaRDD<T>> rdds) {
        batches = rdds.size();
        context = new JavaStreamingContext(sc, Durations.milliseconds(BATCH_MS));
        records = context.queueStream(rdds, true);
    }

    JavaDStream<T> records() {
        return records;
    }

    JavaStreamingContext context() {
        return context;
    }

    /** The number of a batch, the first being 1. */
    static long number(Time time) {
        return time.milliseconds() / BATCH_MS;
    }

    /** True for the last batch. */
    static boolean isLast(Time time) {
        return number(time) == current.batches;
    }

    /** To be called when the results of a batch have been written. */
    static void done(Time time) {
        if (isLast(time)) {
            current.isDone.countDown();
        }
    }

    /** Processes all batches; throws what a batch has thrown. */
    void run() throws InterruptedException {
        current = this;
        context.start();
        ManualClock clock = (ManualClock) context.ssc().scheduler().clock();
        clock.setTime(batches * BATCH_MS);
        while (!isDone.await(100, TimeUnit.MILLISECONDS)) {
            context.awaitTerminationOrTimeout(1);
        }
        context.stop(false, false);
    }
}
