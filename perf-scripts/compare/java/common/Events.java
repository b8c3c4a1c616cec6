import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.HashMap;

/** The events of the modified Yahoo streaming benchmark, made from their number alone; see workloads/ysb.py. */
record Events(long events, long seconds, long campaigns, long adsPerCampaign) implements java.io.Serializable {
    static final int VIEW = 0;
    static final long WINDOW_SECONDS = 10;

    /** An event. */
    static final class Event implements java.io.Serializable {
        private static final long serialVersionUID = 1;
        long user;
        long ad;
        long timeMs;
        int type;
    }

    static Events read(Arguments arguments) throws IOException {
        long[] numbers = Arrays.stream(Files.readString(arguments.input()).trim().split(" "))
                .mapToLong(Long::parseLong)
                .toArray();
        return new Events(numbers[0], numbers[1], numbers[2], numbers[3]);
    }

    /** One of {@code parts} equal parts of a second's events; the first second is 0. */
    Event[] of(long second, int part, int parts) {
        long first = ceilDiv(second * events, seconds);
        long length = ceilDiv((second + 1) * events, seconds) - first;
        long from = first + length * part / parts;
        Event[] made = new Event[(int) (first + length * (part + 1) / parts - from)];
        for (int i = 0; i < made.length; i++) {
            made[i] = event(from + i);
        }
        return made;
    }

    /** The number of the campaign of each ad. */
    HashMap<Long, Integer> campaignOfAd() {
        HashMap<Long, Integer> campaign = new HashMap<>();
        for (long index = 0; index < campaigns * adsPerCampaign; index++) {
            campaign.put(ad(index), (int) (index / adsPerCampaign));
        }
        return campaign;
    }

    private Event event(long number) {
        long random = mix(number);
        Event event = new Event();
        event.user = mix(random);
        event.ad = ad(Long.remainderUnsigned(random, campaigns * adsPerCampaign));
        event.timeMs = number * seconds * 1_000 / events;
        event.type = (int) ((random >>> 32) % 3);
        return event;
    }

    private static long ceilDiv(long a, long b) {
        return (a + b - 1) / b;
    }

    private static long ad(long index) {
        return mix((1L << 40) + index);
    }

    /** The number-th output of SplitMix64. */
    private static long mix(long number) {
        long z = (number + 1) * 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
