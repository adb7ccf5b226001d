import java.io.IOException;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.Stores;

/**
 * Counts the records of each key in windows of their own time (CreateTime), and writes each window's count once it is closed:
 * what anybody would write who has never heard of Heddle.
 *
 * Arguments: bootstrap servers, application id, topic to read, topic to write, length of a window and grace for late records in
 * milliseconds, folder for state. Says "running" when it runs; ends in order on SIGTERM, and when its standard input ends.
 */
public final class WindowedCounts {
  public static void main(String[] args) throws IOException {
    String source = args[2];
    String target = args[3];
    Duration size = Duration.ofMillis(Long.parseLong(args[4]));
    Duration grace = Duration.ofMillis(Long.parseLong(args[5]));

    Properties config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    config.put(StreamsConfig.STATE_DIR_CONFIG, args[6]);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);

    StreamsBuilder builder = new StreamsBuilder();
    builder
      .stream(source, Consumed.with(Serdes.String(), Serdes.ByteArray()))
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeAndGrace(size, grace))
      .count(
        Materialized.<String, Long>as(Stores.inMemoryWindowStore("counts", size.plus(grace).multipliedBy(2), size, false))
          .withKeySerde(Serdes.String())
          .withValueSerde(Serdes.Long()))
      .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()).withName("closed"))
      .toStream()
      .map((key, count) -> KeyValue.pair(key.key(), "{\"window\":" + key.window().start() + ",\"count\":" + count + "}"))
      .to(target, Produced.with(Serdes.String(), Serdes.String()));

    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) System.out.println("running");
      if (now == KafkaStreams.State.ERROR) Runtime.getRuntime().halt(1);
    });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
    streams.start();
    // Its end is the end of who started us.
    while (System.in.read() >= 0);
    System.exit(0);
  }
}
