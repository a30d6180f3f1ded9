# Makes tables and verdicts of the lines that login.sh, memory.sh and mailbox.sh note: KIND SERVER FIGURE...
# part is one of login, memory, mailbox; servers those that were measured.

function has(name) {
	return (" " servers " ") ~ (" " name " ")
}

function targets() {
	print "| target | wanted | measured | |"
	print "|---|---|---|---|"
}

function least(what, got, wanted) {
	printf "| %s | at least %.2f | %.2f | %s |\n", what, wanted, got, (got >= wanted ? "met" : "missed")
}

function most(what, got, wanted) {
	printf "| %s | at most %.2f | %.2f | %s |\n", what, wanted, got, (got <= wanted ? "met" : "missed")
}

# superd's figure divided by that of another server, where there are both.
function ratio(kind, other, field) {
	return has("superd") && has(other) ? sprintf("%.2f", median(kind " superd", field) / median(kind " " other, field)) : "-"
}

function login(    n, i, names, key) {
	print "| server | logins/s | superd : this | CPU a login, us | superd : this | p50, ms | p99, ms |"
	print "|---|---|---|---|---|---|---|"
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++) {
		key = "login " names[i]
		printf "| %s | %d | %s | %d | %s | %.2f | %.2f |\n", names[i], median(key, 3), ratio("login", names[i], 3),
			median(key, 6) * 1000 / logins, ratio("login", names[i], 6), median(key, 4), median(key, 5)
	}
	print ""
	if (!has("superd") || !(has("dovecot") || has("c-chain")))
		return
	targets()
	if (has("dovecot"))
		least("logins/s, of Dovecot's (" libc ")", ratio("login", "dovecot", 3), libc == "musl" ? 2.3 : 1.7)
	if (has("c-chain"))
		least("logins/s, of the C originals' (" libc ")", ratio("login", "c-chain", 3), libc == "musl" ? 3.5 : 2.5)
	print ""
}

function memory(    n, i, names, key, pop3, imap, greatest) {
	print "| server | private memory a session, kB | superd : this | processes a session |"
	print "|---|---|---|---|"
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++) {
		key = "memory " names[i]
		printf "| %s | %.0f | %s | %.1f |\n", names[i], median(key, 3) / sessions, ratio("memory", names[i], 3), median(key, 4) / sessions
	}
	print ""
	if (!has("superd"))
		return
	print "| superd, by checker and password | POP3, kB a session | IMAP with INBOX selected, kB a session |"
	print "|---|---|---|"
	n = split(checkers, names, " ")
	greatest = 0
	for (i = 1; i <= n; i++) {
		pop3 = median("pop3 " names[i], 3) / sessions
		imap = median("imap " names[i], 3) / sessions
		greatest = pop3 > greatest ? pop3 : greatest
		greatest = imap > greatest ? imap : greatest
		printf "| %s | %.0f | %.0f |\n", names[i], pop3, imap
	}
	print ""
	targets()
	most("private memory a session, kB", median("memory superd", 3) / sessions, 80)
	most("the same with any checker and password, POP3 and IMAP, kB", greatest, 300)
	print ""
}

# Fields of "fresh": LOGIN OCTETS MEMORY; of "kept": LOGIN LIST UIDL RETR OCTETS WRONG MEMORY; of "floor": READDIR STAT
# READ FILES OCTETS.
function mailbox(    n, i, names, name, floor) {
	printf "| %d messages, %.0f MB; ms |", messages, megabytes
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++)
		printf " %s |", names[i]
	printf " floor |\n|---|"
	for (i = 0; i <= n; i++)
		printf "---|"
	print ""
	row("login and STAT, no index or cache yet", "fresh", 3, sprintf("%.0f (read all, %d threads)", median("floor " threads, 5), threads))
	row("login and STAT, index or cache there", "kept", 3, sprintf("%.0f (names and stat), %.0f (names)", median("floor 1", 4), median("floor 1", 3)))
	row("LIST", "kept", 4, "")
	row("UIDL", "kept", 5, "")
	row("RETR of " retrieve ", one by one", "kept", 6, "")
	row("most memory of a process, no index or cache yet, MB", "fresh", 5, "")
	row("most memory of a process, index or cache there, MB", "kept", 9, "")
	print ""
	if (!has("superd"))
		return
	targets()
	most("no cache: login and STAT, of reading all files on " threads " threads", median("fresh superd", 3) / median("floor " threads, 5), 2)
	most("with cache: login and STAT, of names and stat of all", median("kept superd", 3) / median("floor 1", 4), 2)
	if (has("dovecot"))
		most("RETR one by one, of Dovecot's time", median("kept superd", 6) / median("kept dovecot", 6), 1)
	most("resident memory, MB, no cache", median("fresh superd", 5), 15)
	most("resident memory, MB, with cache", median("kept superd", 9), 15)
	most("STAT's octets: difference", exact("fresh superd", 4) + exact("kept superd", 7), 0)
	most("RETR unlike LIST, messages", median("kept superd", 8), 0)
	print ""
}

function exact(key, field,    difference) {
	difference = median(key, field) - octets
	return difference < 0 ? -difference : difference
}

function row(what, kind, field, floor,    n, i, names) {
	printf "| %s |", what
	n = split(servers, names, " ")
	for (i = 1; i <= n; i++)
		printf (what ~ /MB/ ? " %.1f |" : " %.0f |"), median(kind " " names[i], field)
	printf " %s |\n", floor
}

END {
	if (part == "login")
		login()
	else if (part == "memory")
		memory()
	else
		mailbox()
}
