/* SPDX-License-Identifier: MIT */
/* A 32-bit program that prints a line through the entry that its kernel tells it, and one through INT 0x80. */
        .globl _start
_start:
        movl    (%esp), %ecx
        leal    8(%esp,%ecx,4), %esi
1:      lodsl                           /* over the environment, to the auxiliary vector */
        testl   %eax, %eax
        jnz     1b
2:      lodsl
        movl    %eax, %ecx
        lodsl
        cmpl    $32, %ecx               /* AT_SYSINFO */
        je      3f
        testl   %ecx, %ecx
        jnz     2b
        ud2
3:      movl    %eax, %ebp
        movl    $4, %eax
        movl    $1, %ebx
        movl    $text, %ecx
        movl    $length, %edx
        call    *%ebp
        movl    $4, %eax
        int     $0x80
        movl    $1, %eax
        xorl    %ebx, %ebx
        call    *%ebp
text:   .ascii  "from 32 bits\n"
        .set    length, . - text
