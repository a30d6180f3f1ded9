# Makes tables and verdicts of the lines that smtp.sh notes. servers are those that were measured, messages how many a
# turn, sessions how many were open, megabytes the size of the large message.

# What is no number is kept as the last one said.
$1 == "big" { process[$2] = $5 }

function has(name) {
	return (" " servers " ") ~ (" " name " ")
}

function verdict(what, bound, wanted, got, met) {
	printf "| %s | %s %s | %s | %s |\n", what, bound, wanted, got, (met ? "met" : "missed")
}

function rates(kind, title,    n, i, names, key) {
	printf "| %s | messages/s | superd : this | of the floor | CPU a message, us | superd : this | client done, s | all there, s |\n", title
	print "|---|---|---|---|---|---|---|---|"
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++) {
		key = kind " " names[i]
		printf "| %s | %.0f | %s | %.2f | %d | %s | %.2f | %.2f |\n", names[i], median(key, 3), ratio(kind, names[i], 3),
			median(key, 3) / median("floor floor", 3), median(key, 6) * 1000 / messages, ratio(kind, names[i], 6),
			median(key, 5), median(key, 4)
	}
	print ""
}

# superd's figure divided by that of another server, where there are both.
function ratio(kind, other, field) {
	return has("superd") && has(other) && median(kind " " other, field) > 0 ? \
		sprintf("%.2f", median(kind " superd", field) / median(kind " " other, field)) : "-"
}

# One line a server of ours and a peer: whether it is ahead.
function ahead(ours, peer, kind, what,    share) {
	if (!has(ours) || !has(peer))
		return
	share = median(kind " " ours, 3) / median(kind " " peer, 3)
	verdict(ours ", " what ": messages/s, of " peer "'s", "more than", "1.00", sprintf("%.2f", share), share > 1)
}

END {
	rates("each", "one message a connection")
	rates("many", messages / 10 " messages a connection")
	printf "The floor, files written and synced without any protocol: %.0f messages/s.\n\n", median("floor floor", 3)
	printf "| private memory, kB | dirty, idle session | anonymous, idle session | processes | dirty, %d MB | anonymous, %d MB | of | looks | %d MB, s |\n",
		megabytes, megabytes, megabytes
	print "|---|---|---|---|---|---|---|---|---|"
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++) {
		idle = "idle " names[i]
		big = "big " names[i]
		printf "| %s | %d | %d | %.1f | %d | %d | %s | %d | %.2f |\n", names[i], median(idle, 3) / sessions, median(idle, 4) / sessions,
			median(idle, 5) / sessions, median(big, 3), median(big, 4), process[names[i]], median(big, 6), median(big, 7)
	}
	print ""
	if (!has("superd") && !has("superd-lmtpd"))
		exit
	print "| target | wanted | measured | |"
	print "|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		if (names[i] !~ /^superd/)
			continue
		for (peer = 1; peer <= n; peer++)
			if (names[peer] !~ /^superd/) {
				ahead(names[i], names[peer], "each", "one message a connection")
				ahead(names[i], names[peer], "many", messages / 10 " a connection")
			}
		kilobytes = median("idle " names[i], 4) / sessions
		verdict(names[i] ": anonymous memory of an idle session, kB", "at most", "1024", sprintf("%d", kilobytes), kilobytes <= 1024)
		kilobytes = median("big " names[i], 4)
		verdict(names[i] ": anonymous memory of a process, " megabytes " MB, kB", "at most", "4096", sprintf("%d", kilobytes), kilobytes <= 4096)
	}
	print ""
}
