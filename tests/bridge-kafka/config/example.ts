/** The example of the design (kafka.md, 5.13): it must parse as it is. */
export const EXAMPLE = `{ "name": "orders",
  "fabric": { "connect": ["tcp://127.0.0.1:7000"], "id": "plant-a" },
  "kafka": { "bootstrap.servers": "k1:9092,k2:9092", "security.protocol": "SASL_SSL",
             "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "b", "sasl.password": "\${env:KPW}" },
  "spool": { "dir": "/var/lib/fb/orders", "mode": "always", "max.bytes": "8GiB", "full": "block", "fsync": "interval:5ms" },
  "connectors": [
    { "name": "orders-out", "config": {
        "connector.class": "FabricToKafka", "subjects": "orders.>", "guarantee": "exactly-once", "shards": 16,
        "topic": "orders", "key": "subject", "header.converter": "passthrough", "value.converter": "bytes",
        "topic.creation.default.partitions": 12, "topic.creation.default.replication.factor": 3,
        "producer.override.compression.type": "lz4", "producer.override.linger.ms": 5,
        "transforms": "mask", "transforms.mask.type": "MaskField$Value", "transforms.mask.fields": "card",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "orders.dlq",
        "errors.deadletterqueue.context.headers.enable": true, "errors.retry.delay.max.ms": 30000 } },
    { "name": "prices-in", "config": {
        "connector.class": "KafkaToFabric", "topics": "prices", "subject": "\${header.hd.subject:-prices.\${key}}",
        "group.id": "fb-orders", "consumer.override.group.protocol": "consumer", "isolation.level": "read_committed",
        "delivery": "acked", "ack.timeout.ms": 5000, "start": "committed-or-latest" } } ] }`
