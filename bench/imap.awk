# Makes tables and verdicts of the lines that imap-login.sh and imap-mailbox.sh note: KIND SERVER FIGURE...
# part is login or mailbox; servers those that were measured.

function has(name) {
	return (" " servers " ") ~ (" " name " ")
}

# superd's figure divided by Dovecot's, where there are both.
function ratio(kind, field) {
	return has("superd") && has("dovecot") && median(kind " dovecot", field) > 0 ? \
		sprintf("%.2f", median(kind " superd", field) / median(kind " dovecot", field)) : "-"
}

function verdict(what, bound, wanted, got, met) {
	printf "| %s | %s %s | %s | %s |\n", what, bound, wanted, got, (met ? "met" : "missed")
}

function login(    n, i, names, key) {
	print "| server | logins/s | superd : this | CPU a login, us | superd : this | p50, ms | p99, ms |"
	print "|---|---|---|---|---|---|---|"
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++) {
		key = "login " names[i]
		printf "| %s | %d | %.2f | %d | %.2f | %.2f | %.2f |\n", names[i], median(key, 3),
			has("superd") ? median("login superd", 3) / median(key, 3) : 0, median(key, 6) * 1000 / logins,
			has("superd") ? median("login superd", 6) / median(key, 6) : 0, median(key, 4), median(key, 5)
	}
	print ""
	if (!has("superd") || !has("dovecot"))
		return
	targets()
	verdict("logins/s, of Dovecot's", "at least", "1.00", ratio("login", 3), ratio("login", 3) + 0 >= 1)
	print ""
}

function targets() {
	print "| target | wanted | measured | |"
	print "|---|---|---|---|"
}

# One line of the table: cold and warm of each server, and superd's share of Dovecot's time.
function row(what, cold, warm,    n, i, names, kinds, kind) {
	printf "| %s |", what
	n = split(servers, names, " ")
	kinds[1] = cold
	kinds[2] = warm
	for (kind = 1; kind <= 2; kind++) {
		for (i = 1; i <= n; i++)
			printf kinds[kind] ? sprintf(" %.1f |", median(kinds[kind] " " names[i], 3)) : " |"
		printf " %s |", kinds[kind] ? ratio(kinds[kind], 3) : ""
		if (kinds[kind])
			judge(what, kinds[kind])
	}
	print ""
}

# Notes where superd took longer, and where the servers gave different answers.
function judge(what, kind,    share) {
	share = ratio(kind, 3)
	# Below a millisecond it is the clock and the network that are measured.
	if (share != "-" && share + 0 > 1 && median(kind " superd", 3) > 1)
		slower = slower (slower ? "; " : "") what " (" (kind ~ /^cold/ ? "cold" : "warm") ", " share ")"
	if (has("superd") && has("dovecot") && median(kind " superd", 4) != median(kind " dovecot", 4))
		unlike = unlike (unlike ? "; " : "") what " (" (kind ~ /^cold/ ? "cold" : "warm") ")"
}

function mailbox(    n, i, names, kind, dirty) {
	printf "| %d messages, %.0f MB; ms |", messages, megabytes
	n = split(servers, names, " ")
	for (kind = 1; kind <= 2; kind++) {
		for (i = 1; i <= n; i++)
			printf " %s, %s |", names[i], kind == 1 ? "no index" : "index there"
		printf " ratio |"
	}
	printf "\n|---|"
	for (i = 0; i < 2 * n + 2; i++)
		printf "---|"
	print ""
	row("SELECT, in a new session", "cold-select", "warm-select")
	row("SELECT again, nothing changed", "", "warm-again")
	row("UID FETCH 1:* (FLAGS)", "cold-flags", "warm-flags")
	row("UID FETCH 1:* (FLAGS RFC822.SIZE INTERNALDATE)", "cold-sizes", "warm-sizes")
	row("UID FETCH 1:* of the header fields a client lists", "cold-fields", "warm-fields")
	row("UID FETCH 1:* (ENVELOPE)", "cold-envelope", "warm-envelope")
	row("UID FETCH 1:" some " (BODYSTRUCTURE)", "cold-structure", "warm-structure")
	row("UID SEARCH SUBJECT", "cold-subject", "warm-subject")
	row("UID SEARCH SINCE LARGER", "cold-since", "warm-since")
	row("UID SEARCH BODY", "cold-body", "warm-body")
	row("UID SORT (REVERSE DATE)", "cold-sort", "warm-sort")
	row("UID THREAD REFERENCES", "cold-thread", "warm-thread")
	row("UID FETCH 1:" some / 5 " (BODY.PEEK[])", "cold-bodies", "warm-bodies")
	row("UID STORE 1:" some " +FLAGS.SILENT", "cold-store", "warm-change")
	row("the same, nothing to change", "", "warm-store")
	print ""
	printf "Floor, ms: names %.0f; names and stat %.0f; all files read and their lines counted %.0f on one thread, %.0f on %d.\n\n",
		median("floor 1", 3), median("floor 1", 4), median("floor 1", 5), median("floor " threads, 5), threads
	print "| private memory of the session, kB | dirty, selected | anonymous, selected | dirty, after all | anonymous, after all |"
	print "|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		printf "| %s, no index |", names[i]
		memory("cold", names[i])
		printf "| %s, index there |", names[i]
		memory("warm", names[i])
	}
	print ""
	if (!has("superd"))
		return
	targets()
	if (has("dovecot")) {
		verdict("rows that take longer than Dovecot's", "at most", "0", slower ? slower : "none", !slower)
		verdict("rows with another answer than Dovecot's", "at most", "0", unlike ? unlike : "none", !unlike)
	}
	dirty = median("cold-memory superd", 3)
	if (median("warm-memory superd", 3) > dirty)
		dirty = median("warm-memory superd", 3)
	verdict("private memory with the mailbox selected, MB", "at most", "10", sprintf("%.1f", dirty / 1024), dirty <= 10240)
	print ""
}

function memory(kind, name) {
	printf " %d | %d | %d | %d |\n", median(kind "-memory " name, 3), median(kind "-memory " name, 4),
		median(kind "-after " name, 3), median(kind "-after " name, 4)
}

END {
	if (part == "login")
		login()
	else
		mailbox()
}
