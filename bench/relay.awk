# Makes the tables of the lines that relay.sh notes: login or connection, with or without, RATE.

function row(what, kind,    without, with) {
	without = median(kind " without", 3)
	with = median(kind " with", 3)
	printf "| %s | %d | %d | %.2f |\n", what, without, with, with / without
}

function target(what, kind,    more) {
	more = median(kind " without", 3) / median(kind " with", 3) - 1
	printf "| %s | below 0.10 | %.2f | %s |\n", what, more, more < 0.1 ? "met" : "missed"
}

END {
	print "| | without, each second | with, each second | with : without |"
	print "|---|---|---|---|"
	row("logins, relay-ctrl-allow", "login")
	row("connections, --relay", "connection")
	print ""
	print "| target | wanted | measured | |"
	print "|---|---|---|---|"
	target("what relay-ctrl-allow adds to a login", "login")
	target("what --relay adds to a connection", "connection")
}
