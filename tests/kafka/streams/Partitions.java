import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Reads all of a topic, and writes each key into another topic without saying to which partition: where Kafka's own producer puts it.
 *
 * Arguments: bootstrap servers, topic to read, topic to write. Prints a line for each record: key in hexadecimal digits, partition it was
 * read from, partition it was written to.
 */
public final class Partitions {
  public static void main(String[] args) throws Exception {
    Map<String, Object> common = Map.of("bootstrap.servers", args[0]);
    try (
      var consumer = new KafkaConsumer<>(common, new ByteArrayDeserializer(), new ByteArrayDeserializer());
      var producer = new KafkaProducer<>(common, new ByteArraySerializer(), new ByteArraySerializer())
    ) {
      for (ConsumerRecord<byte[], byte[]> one : all(consumer, args[1])) {
        // Awaited one by one: some hundred records.
        int partition = producer.send(new ProducerRecord<>(args[2], one.key(), one.value())).get().partition();
        System.out.println(HexFormat.of().formatHex(one.key()) + " " + one.partition() + " " + partition);
      }
    }
  }

  private static List<ConsumerRecord<byte[], byte[]>> all(KafkaConsumer<byte[], byte[]> consumer, String topic) {
    List<TopicPartition> partitions = new ArrayList<>();
    consumer.partitionsFor(topic).forEach(one -> partitions.add(new TopicPartition(topic, one.partition())));
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
    List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one)))
      consumer.poll(Duration.ofSeconds(1)).forEach(records::add);
    return records;
  }
}
