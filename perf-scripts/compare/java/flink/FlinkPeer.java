import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The workloads as programs for Flink's DataStream API, in a cluster within this process. */
public final class FlinkPeer {
    private FlinkPeer() {}

    public static void main(String[] args) throws Exception {
        Arguments arguments = Arguments.of(args);
        if (arguments.workload().equals("ysb")) {
            Campaigns.prepare(arguments);
        }
        Passes.run(arguments, () -> run(arguments));
    }

    private static void run(Arguments arguments) throws Exception {
        StreamExecutionEnvironment env = environment(arguments);
        switch (arguments.workload()) {
            case "word_count" -> CountOfFile.words(env, arguments);
            case "access_log" -> CountOfFile.requests(env, arguments);
            case "key_count" -> CountOfFile.keys(env, arguments);
            case "windowed_count" -> CountInWindows.errors(env, arguments);
            case "sliding_max" -> CountInWindows.largest(env, arguments);
            case "stateful_count" -> CountWithState.users(env, arguments);
            case "ysb" -> Campaigns.count(env, arguments);
            default -> throw new IllegalArgumentException("no such workload here: " + arguments.workload());
        }
        env.execute(arguments.workload());
        if (arguments.workload().equals("stateful_count")) {
            CountWithState.finish(arguments);
        }
    }

    /** Streaming mode, state on the heap, no checkpoints, objects reused: what is fastest here. */
    private static StreamExecutionEnvironment environment(Arguments arguments) {
        Configuration conf = new Configuration();
        conf.set(PipelineOptions.OBJECT_REUSE, true);
        conf.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(256));
        conf.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.ofMebiBytes(256));
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.createLocalEnvironment(arguments.threads(), conf);
        env.setRuntimeMode(RuntimeExecutionMode.STREAMING);
        return env;
    }
}
