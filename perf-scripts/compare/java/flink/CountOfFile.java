import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.GlobalWindows;
import org.apache.flink.util.Collector;

/** A file counted by key. */
final class CountOfFile {
    static final TypeInformation<Tuple2<String, Long>> PAIR = Types.TUPLE(Types.STRING, Types.LONG);

    private CountOfFile() {}

    static void words(StreamExecutionEnvironment env, Arguments arguments) throws Exception {
        DataStream<String> lines = Lines.ofFile(env, arguments.input());
        count(lines.flatMap(CountOfFile::split).returns(PAIR), arguments);
    }

    static void requests(StreamExecutionEnvironment env, Arguments arguments) throws Exception {
        DataStream<String> lines = Lines.ofFile(env, arguments.input());
        DataStream<String> requests = lines.flatMap(CountOfFile::parse).returns(Types.STRING);
        count(requests.map(request -> new Tuple2<>(request, 1L)).returns(PAIR), arguments);
    }

    static void keys(StreamExecutionEnvironment env, Arguments arguments) throws Exception {
        DataStream<String> lines = Lines.ofFile(env, arguments.input());
        count(lines.map(key -> new Tuple2<>(key, 1L)).returns(PAIR), arguments);
    }

    private static void split(String line, Collector<Tuple2<String, Long>> out) {
        for (String word : line.split(" ")) {
            out.collect(new Tuple2<>(word, 1L));
        }
    }

    private static void parse(String line, Collector<String> out) {
        String request = AccessLogLine.statusAndPath(line);
        if (request != null) {
            out.collect(request);
        }
    }

    private static void count(DataStream<Tuple2<String, Long>> pairs, Arguments arguments) {
        Combine.of(pairs, Combine.How.SUM, 1)
                .keyBy(pair -> pair.f0, Types.STRING)
                .window(GlobalWindows.createWithEndOfStreamTrigger())
                .reduce((a, b) -> new Tuple2<>(a.f0, a.f1 + b.f1))
                .sinkTo(new ResultSink(arguments));
    }
}
