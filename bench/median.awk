# What the tables have in common: lines "KIND SERVER FIGURE..." are kept, and the median of a figure is told.
# An awk program that comes after this one makes the table.

{
	key = $1 " " $2
	count[key]++
	for (field = 3; field <= NF; field++)
		value[key, field, count[key]] = $field
}

# The median of one field of one server in one kind of turn.
function median(key, field,    n, i, j, list, held) {
	n = count[key]
	for (i = 1; i <= n; i++) {
		held = value[key, field, i] + 0
		for (j = i - 1; j >= 1 && list[j] > held; j--)
			list[j + 1] = list[j]
		list[j + 1] = held
	}
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
