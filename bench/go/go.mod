module schakel.bench/relay

go 1.19
