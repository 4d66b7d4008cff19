# The code that clock puts into the slack of a process's vDSO.
# Assemble: as --64 -o r.o replacement.asm && objcopy -O binary -j .text r.o r.bin
.intel_syntax noprefix
.text
start:
	.ascii "hadrillC"
active:	.quad blockA - start
blockA:	.quad 0, 0, 0, 0	# reference, rate, jump, strobe
blockB:	.quad 0, 0, 0, 0
saved:	.fill 72, 1, 0		# three times: entry point (8), its own bytes (16)
	.balign 16

# int clock_gettime(clockid_t edi, struct timespec *rsi)
clock_gettime:
	mov	eax, 228
	syscall
	test	eax, eax
	jnz	1f
	test	edi, edi	# CLOCK_REALTIME
	je	2f
	cmp	edi, 5		# CLOCK_REALTIME_COARSE
	je	2f
	cmp	edi, 11		# CLOCK_TAI
	je	2f
1:	ret
2:	imul	rax, [rsi], 1000000000
	add	rax, [rsi+8]
	call	shift
	mov	ecx, 1000000000
	xor	edx, edx
	div	rcx
	mov	[rsi], rax
	mov	[rsi+8], rdx
	xor	eax, eax
	ret
	.balign 16

# int gettimeofday(struct timeval *rdi, struct timezone *rsi)
gettimeofday:
	mov	eax, 96
	syscall
	test	eax, eax
	jnz	1f
	test	rdi, rdi
	jz	1f
	imul	rax, [rdi], 1000000000
	imul	rcx, [rdi+8], 1000
	add	rax, rcx
	call	shift
	mov	ecx, 1000000000
	xor	edx, edx
	div	rcx
	mov	[rdi], rax
	mov	rax, rdx
	mov	ecx, 1000
	xor	edx, edx
	div	rcx
	mov	[rdi+8], rax
	xor	eax, eax
1:	ret
	.balign 16

# time_t time(time_t *rdi)
time:
	sub	rsp, 24
	push	rdi
	xor	edi, edi
	lea	rsi, [rsp+8]
	mov	eax, 228
	syscall
	imul	rax, [rsp+8], 1000000000
	add	rax, [rsp+16]
	call	shift
	mov	ecx, 1000000000
	xor	edx, edx
	div	rcx
	pop	rdi
	add	rsp, 24
	test	rdi, rdi
	jz	1f
	mov	[rdi], rax
1:	ret
	.balign 16

# rax: true nanoseconds since 1970 -> rax: shown ones. Uses rcx, rdx, r8-r10.
shift:
	lea	r8, [rip+start]
	add	r8, [rip+active]
	mov	r9, [r8]
	sub	rax, r9
	mov	r10, rax
	imul	qword ptr [r8+8]	# elapsed * rate, 128 bits
	mov	ecx, 1000000000
	idiv	rcx
	add	r9, rax
	mov	rcx, [r8+24]
	test	rcx, rcx
	jz	1f
	mov	rax, r10
	cqo
	idiv	rcx
	test	al, 1
	jnz	2f
1:	add	r9, [r8+16]
2:	xor	eax, eax
	test	r9, r9
	cmovns	rax, r9
	ret
end:
