import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;

/** Records come in the order of their time; when a subtask comes to the next period, all before is over for it. */
final class EveryNewTime<T> implements WatermarkGenerator<T> {
    private final long periodMs;
    private long last = Long.MIN_VALUE;

    EveryNewTime(long periodMs) {
        this.periodMs = periodMs;
    }

    @Override
    public void onEvent(T record, long timestamp, WatermarkOutput output) {
        long period = timestamp / periodMs;
        if (period != last) {
            last = period;
            output.emitWatermark(new Watermark(period * periodMs - 1));
        }
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        // Every period has its own watermark already.
    }
}
