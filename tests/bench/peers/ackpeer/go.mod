module scale-agent/tests/bench/peers/ackpeer

go 1.24.0
