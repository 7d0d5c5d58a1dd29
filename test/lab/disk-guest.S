# A boot sector that reads one sector of its disk, writes it back, waits a tenth of a second and starts over, so that the
# statistics of a disk move. as --32 and ld -m elf_i386 -Ttext 0x7c00 --oformat binary make it.
	.code16
	.globl _start
_start:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x7c00, %sp
again:
	movb	$0x42, %ah		# read by the packet
	call	transfer
	movw	$0x4300, %ax		# write by the packet, without a check
	call	transfer
	movb	$0x86, %ah		# wait CX:DX microseconds
	movw	$0x0001, %cx
	movw	$0x86a0, %dx
	int	$0x15
	jmp	again

transfer:
	movw	$packet, %si
	movb	$0x80, %dl		# the first hard disk
	int	$0x13
	ret

	.balign	4
packet:
	.byte	16, 0			# size of the packet
	.word	1			# sectors
	.word	0x8000, 0		# offset and segment of the memory
	.quad	64			# first sector

	.org	510
	.word	0xaa55
	.org	1048576			# a disk that firmware takes for one
