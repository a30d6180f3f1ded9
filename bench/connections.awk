# Makes tables and verdicts of the lines that connections.sh notes: KIND SERVER RATE P50 P99 OWN CHILDREN, and
# "rules COMPILER SECONDS".

function cpu(key) {
	return median(key, 6) + median(key, 7)
}

function table(kind, title, servers,    n, i, names, key) {
	print title
	print ""
	print "| server | connections/s | of tcpserver's | CPU own + children, ms | of tcpserver's | p50, ms | p99, ms |"
	print "|---|---|---|---|---|---|---|"
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++) {
		key = kind " " names[i]
		printf "| %s | %d | %.2f | %d + %d | %.2f | %.2f | %.2f |\n", names[i], median(key, 3),
			median(key, 3) / median(kind " tcpserver", 3), median(key, 6), median(key, 7),
			cpu(key) / cpu(kind " tcpserver"), median(key, 4), median(key, 5)
	}
	print ""
}

function least(what, got, wanted) {
	printf "| %s | at least %.2f | %.2f | %s |\n", what, wanted, got, (got >= wanted ? "met" : "missed")
}

function most(what, got, wanted) {
	printf "| %s | at most %.2f | %.2f | %s |\n", what, wanted, got, (got <= wanted ? "met" : "missed")
}

END {
	table("plain", "Without rules and without a log (-HRl0):", "superd tcpserver tcpsvd floor")
	table("logged", "With rules of 100,000 entries and a log that is read (-HRl0 -v -x):", "superd tcpserver")
	table("busy", "With rules and log, beside two busy loops:", "superd tcpserver floor")
	table("denied", "With rules and log, all clients denied by a rule:", "superd tcpserver")
	print "| rules compiled | seconds for " rules " |"
	print "|---|---|"
	printf "| superd-rules | %.2f |\n| tcprules | %.2f |\n\n", median("rules superd-rules", 3), median("rules tcprules", 3)

	print "| target | wanted | measured | |"
	print "|---|---|---|---|"
	rate = median("logged superd", 3)
	least("with rules and log: connections/s, of tcpserver's", rate / median("logged tcpserver", 3), 1.75)
	least("with rules and log: connections/s, of the floor's", rate / median("plain floor", 3), 0.85)
	most("with rules and log: CPU, of tcpserver's", cpu("logged superd") / cpu("logged tcpserver"), 0.55)
	most("with rules and log: p99, of tcpserver's", median("logged superd", 5) / median("logged tcpserver", 5), 1)
	least("beside two busy loops: connections/s, of tcpserver's", median("busy superd", 3) / median("busy tcpserver", 3), 1.8)
	least("denied: connections/s, of tcpserver's", median("denied superd", 3) / median("denied tcpserver", 3), 3)
}
