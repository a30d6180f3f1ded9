/* The cheapest program a super-server can start: writes three bytes to the client and ends.
 *
 * No C library where the system call interface is known here, so that what is measured is the
 * server and not the start of the program. cc -O2 -static -nostdlib; elsewhere an ordinary program.
 */
#if defined(__x86_64__)
static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}
#define WRITE 1
#define EXIT_GROUP 231
#define BARE
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
#define WRITE 64
#define EXIT_GROUP 94
#define BARE
#endif

#ifdef BARE
void _start(void)
{
	call(WRITE, 1, (long)"hi\n", 3);
	for (;;)
		call(EXIT_GROUP, 0, 0, 0);
}
#else
#include <unistd.h>
int main(void)
{
	return write(1, "hi\n", 3) != 3;
}
#endif
