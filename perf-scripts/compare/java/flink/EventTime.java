import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.streaming.api.datastream.DataStream;

/** The second that a line begins with is its event time; when a subtask comes to the next second, the one before is over for it. */
final class EventTime implements WatermarkGenerator<String> {
    private long last = Long.MIN_VALUE;

    private EventTime() {}

    static DataStream<String> of(DataStream<String> lines) {
        return lines.assignTimestampsAndWatermarks(WatermarkStrategy.<String>forGenerator(context -> new EventTime())
                .withTimestampAssigner((line, ignored) -> Fields.time(line) * 1_000));
    }

    @Override
    public void onEvent(String line, long timestamp, WatermarkOutput output) {
        if (timestamp != last) {
            last = timestamp;
            output.emitWatermark(new Watermark(timestamp - 1));
        }
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        // Every second has its own watermark already.
    }
}
