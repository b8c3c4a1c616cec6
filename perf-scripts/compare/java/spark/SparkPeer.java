import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** The workloads as programs for Spark Streaming. The session stays up from pass to pass, the streaming context is new. */
public final class SparkPeer {
    private SparkPeer() {}

    public static void main(String[] args) throws Exception {
        Arguments arguments = Arguments.of(args);
        try (JavaSparkContext sc = new JavaSparkContext(conf(arguments))) {
            if (arguments.workload().equals("ysb")) {
                Campaigns campaigns = Campaigns.prepare(sc, arguments);
                Passes.run(arguments, () -> campaigns.run(sc, arguments));
            } else {
                Passes.run(arguments, () -> run(sc, arguments));
            }
        }
    }

    private static void run(JavaSparkContext sc, Arguments arguments) throws Exception {
        switch (arguments.workload()) {
            case "word_count" -> CountOfFile.words(sc, arguments);
            case "access_log" -> CountOfFile.requests(sc, arguments);
            case "key_count" -> CountOfFile.keys(sc, arguments);
            case "windowed_count" -> CountInWindows.errors(sc, arguments);
            case "sliding_max" -> CountInWindows.largest(sc, arguments);
            case "stateful_count" -> CountWithState.users(sc, arguments);
            default -> throw new IllegalArgumentException("no such workload here: " + arguments.workload());
        }
    }

    /** The settings come from the command line, as with spark-submit; this is what every program needs. */
    private static SparkConf conf(Arguments arguments) {
        return new SparkConf()
                .setMaster("local[" + arguments.threads() + "]")
                .setAppName(arguments.workload())
                .registerKryoClasses(new Class<?>[] {scala.Tuple2.class, scala.Tuple2[].class, String[].class});
    }
}
