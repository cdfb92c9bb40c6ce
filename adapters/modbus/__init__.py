"""What drivers that speak Modbus share: planning reads, decoding tables, the bus."""
