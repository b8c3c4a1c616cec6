import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import org.apache.spark.SparkConf;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import scala.Tuple2;

/**
 * Words that come from a socket, counted in batches of one second: {@code SparkSocket PORT THREADS}. After each batch it says what has
 * been counted so far, {@code batch WORDS DIGEST CPU_SECONDS}; it runs until it is killed.
 */
public final class SparkSocket {
    private static final OperatingSystemMXBean PROCESS =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static final long[] TOTAL = new long[2];

    private SparkSocket() {}

    public static void main(String[] args) throws InterruptedException {
        SparkConf conf = new SparkConf().setMaster("local[" + args[1] + "]").setAppName("socket");
        JavaStreamingContext context = new JavaStreamingContext(conf, Durations.seconds(1));
        context.socketTextStream("127.0.0.1", Integer.parseInt(args[0]), StorageLevel.MEMORY_ONLY())
                .flatMap(line -> Arrays.asList(line.split(" ")).iterator())
                .mapToPair(word -> new Tuple2<>(word, 1L))
                .reduceByKey(Long::sum)
                .foreachRDD(counts -> tell(counts.aggregate(new long[2], SparkSocket::add, SparkSocket::merge)));
        context.start();
        context.awaitTermination();
    }

    private static long[] add(long[] sum, Tuple2<String, Long> pair) {
        sum[0] += pair._2;
        sum[1] += hash(pair._1) * pair._2;
        return sum;
    }

    private static long[] merge(long[] sum, long[] other) {
        sum[0] += other[0];
        sum[1] += other[1];
        return sum;
    }

    private static void tell(long[] batch) {
        merge(TOTAL, batch);
        double cpu = PROCESS.getProcessCpuTime() / 1e9;
        System.out.printf(Locale.ROOT, "batch %d %s %.3f%n", TOTAL[0], Long.toUnsignedString(TOTAL[1]), cpu);
        System.out.flush();
    }

    /** FNV-1a, as the sender has it. */
    private static long hash(String word) {
        long hash = 0xcbf29ce484222325L;
        for (byte b : word.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
        }
        return hash;
    }
}
