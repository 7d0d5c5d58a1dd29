# guest.bin: a boot sector whose vCPUs do nothing but sleep and wake, so that the statistics of a KVM guest move.
#
# Every vCPU halts until its own timer fires, after 2^12, 2^13 .. 2^26 nanoseconds in turn, and starts over: that is
# about 110 wakeups a second, spread over fifteen buckets of halt_wait_hist, at a percent or two of a core.
#
#   with x2APIC      all vCPUs, each on its local APIC timer (1 GHz under KVM and QEMU, so a count is a nanosecond)
#   without          the boot vCPU alone, on the PIT (1.193 MHz), after 2^4 .. 2^15 counts: 13 us to 27 ms
#
# The sector uses no firmware: it starts at 0:7c00 (or 7c0:0) in real mode, under a BIOS or in a bare KVM VM with an
# interrupt controller in the kernel. It moves itself to HOME, because a startup IPI can only name a page; so the
# other vCPUs come in at the same first instruction and run the same code.
#
#   gcc -m32 -c guest.S -o guest.o && ld -m elf_i386 -Ttext 0 --oformat binary guest.o -o guest.bin
#
#   address          holds
#   0180             real-mode vector 0x60, where timers interrupt
#   8000             this sector (HOME)
#   10000 + 100 * n  stack of the vCPU with APIC id n, 256 bytes

	.set	HOME, 0x800			# segment; its page number, 8, is the operand of the startup IPI
	.set	STACKS, 0x1000			# segment
	.set	VECTOR, 0x60

	.set	APIC_BASE, 0x1b			# bit 8: boot vCPU; bits 10 and 11: x2APIC on
	.set	APIC_ID, 0x802
	.set	APIC_EOI, 0x80b
	.set	APIC_SPURIOUS, 0x80f
	.set	APIC_COMMAND, 0x830
	.set	APIC_TIMER, 0x832
	.set	APIC_COUNT, 0x838
	.set	APIC_DIVIDE, 0x83e

	.macro	write_msr msr, low
	movl	$\msr, %ecx
	movl	$\low, %eax
	xorl	%edx, %edx
	wrmsr
	.endm

	.code16
	.globl	_start
_start:
	cli
	cld
	movw	%cs, %ax
	cmpw	$HOME, %ax
	je	home
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	$0x7c00, %si
	movw	$HOME, %ax
	movw	%ax, %es
	xorw	%di, %di
	movw	$256, %cx
	rep movsw
	ljmp	$HOME, $home

home:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%cs, VECTOR * 4 + 2
	movl	$1, %eax
	cpuid
	btl	$21, %ecx
	jnc	pit

apic:	movw	$apic_tick, VECTOR * 4
	movl	$APIC_BASE, %ecx
	rdmsr
	movw	%ax, %bp			# remembers bit 8
	orw	$0xc00, %ax
	wrmsr
	movl	$APIC_ID, %ecx
	rdmsr
	shlw	$4, %ax
	addw	$STACKS, %ax
	movw	%ax, %ss
	movw	$0x100, %sp
	write_msr APIC_SPURIOUS, 0x1ff
	write_msr APIC_TIMER, VECTOR		# one shot
	write_msr APIC_DIVIDE, 0xb		# by one
	testw	$0x100, %bp
	jz	apic_naps

	movb	$0xff, %al			# only the boot vCPU hears the PICs: silence them, then wake the others
	outb	%al, $0x21
	outb	%al, $0xa1
	write_msr APIC_COMMAND, 0xc4500		# INIT to all but self
	movw	$0xffff, %cx
1:	loop	1b
	write_msr APIC_COMMAND, (0xc4600 + (HOME >> 8))

apic_naps:
	movb	$12, %bl
1:	movb	%bl, %cl
	movl	$1, %eax
	shll	%cl, %eax
	xorl	%edx, %edx
	movl	$APIC_COUNT, %ecx
	wrmsr
	call	nap
	incb	%bl
	cmpb	$26, %bl
	jbe	1b
	jmp	apic_naps

pit:	movw	$pit_tick, VECTOR * 4
	movw	$STACKS, %ax
	movw	%ax, %ss
	movw	$0x100, %sp
	movb	$0x11, %al			# first PIC anew: IRQ 0 is vector 0x60, the others are masked
	outb	%al, $0x20
	movb	$VECTOR, %al
	outb	%al, $0x21
	movb	$4, %al
	outb	%al, $0x21
	movb	$1, %al
	outb	%al, $0x21
	movb	$0xfe, %al
	outb	%al, $0x21

pit_naps:
	movb	$4, %bl
1:	movb	$0x30, %al			# counter 0, both bytes, interrupt on terminal count
	outb	%al, $0x43
	movb	%bl, %cl
	movw	$1, %ax
	shlw	%cl, %ax
	outb	%al, $0x40
	movb	%ah, %al
	outb	%al, $0x40
	call	nap
	incb	%bl
	cmpb	$15, %bl
	jbe	1b
	jmp	pit_naps

nap:	sti					# takes effect after the next instruction: no wakeup is lost
	hlt
	cli
	ret

apic_tick:					# may change any register but %bl: interrupts come in nap only
	write_msr APIC_EOI, 0
	iret

pit_tick:
	movb	$0x20, %al
	outb	%al, $0x20
	iret

	.org	510
	.word	0xaa55
