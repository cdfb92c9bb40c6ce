"""What drivers that speak MQTT share: matching topics, reading payloads."""
