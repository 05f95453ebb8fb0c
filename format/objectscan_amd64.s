//go:build !purego

#include "textflag.h"

// ALL sets every byte of y to the 64 bits of v.
#define ALL(v, x, y) \
	MOVQ v, AX           \
	MOVQ AX, x           \
	VPBROADCASTQ x, y

// MASK sets one bit of r for each byte of low and high that is all ones.
#define MASK(low, high, r) \
	VPMOVMSKB low, r       \
	VPMOVMSKB high, BX     \
	SHLQ $32, BX           \
	ORQ BX, r

// func scanBlocks(b []byte, s *blockScan) int
TEXT ·scanBlocks(SB), NOSPLIT, $0-40
	MOVQ b_base+0(FP), R8
	MOVQ b_len+8(FP), R9
	MOVQ s+24(FP), R15
	MOVQ R8, R14
	ADDQ R8, R9                 // end
	MOVQ 0(R15), R10            // depth
	MOVQ 8(R15), R11            // inString
	MOVQ 16(R15), R12           // escaped
	ALL($0x2222222222222222, X8, Y8)   // "
	ALL($0x5C5C5C5C5C5C5C5C, X9, Y9)   // \
	ALL($0x7B7B7B7B7B7B7B7B, X10, Y10) // {, and [ with bit 0x20
	ALL($0x7D7D7D7D7D7D7D7D, X11, Y11) // }, and ] with bit 0x20
	ALL($0x2020202020202020, X12, Y12)
	VPCMPEQB X13, X13, X13      // all ones
	MOVQ $0x5555555555555555, R13 // every second byte, from the first
	XORQ DX, DX
	XORQ SI, SI

block:
	CMPQ R8, R9
	JAE  end
	VMOVDQU (R8), Y0
	VMOVDQU 32(R8), Y1
	VPCMPEQB Y0, Y8, Y2
	VPCMPEQB Y1, Y8, Y3
	VPCMPEQB Y0, Y9, Y4
	VPCMPEQB Y1, Y9, Y5
	VPOR Y0, Y12, Y0
	VPOR Y1, Y12, Y1
	MASK(Y2, Y3, AX)            // quotes
	MASK(Y4, Y5, CX)            // backslashes
	VPCMPEQB Y0, Y10, Y2
	VPCMPEQB Y1, Y10, Y3
	VPCMPEQB Y0, Y11, Y4
	VPCMPEQB Y1, Y11, Y5
	MASK(Y2, Y3, DX)            // opening brackets
	MASK(Y4, Y5, SI)            // closing brackets

	// Of a run of backslashes every second one escapes. A run that begins at an
	// odd place is carried, by an addition, to a place behind its end; with what
	// follows each backslash that tells which bytes are escaped.
	ANDNQ CX, R12, CX           // not those that are escaped from before
	LEAQ (CX)(CX*1), BX
	ORQ R12, BX                 // bytes that follow a backslash
	MOVQ R13, DI
	ORQ BX, DI
	ANDNQ CX, DI, DI            // runs that begin at an odd place
	XORQ R12, R12
	ADDQ CX, DI
	ADCQ $0, R12                // a run goes on into the next block
	ADDQ DI, DI
	XORQ R13, DI
	ANDQ BX, DI                 // escaped
	ANDNQ AX, DI, AX            // quotes that begin or end a string

	// The product without carries with all ones is the sum modulo 2 of the bits up
	// to each place.
	MOVQ AX, X6
	VPCLMULQDQ $0, X13, X6, X6
	MOVQ X6, AX
	XORQ R11, AX                // bytes in strings, the first quote with them
	MOVQ AX, R11
	SARQ $63, R11

	ADDQ $64, R8
	ANDNQ CX, AX, CX
	JNZ  unclear                // a backslash outside strings
	ANDNQ DX, AX, DX
	ANDNQ SI, AX, SI
	POPCNTQ DX, BX
	POPCNTQ SI, DI
	CMPQ R10, DI
	JLE  depth                  // it may come to 0
	ADDQ R10, BX
	CMPQ BX, $100               // MaxDepth
	JGT  depth
	SUBQ DI, BX
	MOVQ BX, R10
	JMP  block

end:
	MOVQ $0, 40(R15)
	JMP  out

depth:
	MOVQ $1, 40(R15)
	JMP  out

unclear:
	MOVQ $2, 40(R15)

out:
	MOVQ R10, 0(R15)
	MOVQ R11, 8(R15)
	MOVQ R12, 16(R15)
	MOVQ DX, 24(R15)
	MOVQ SI, 32(R15)
	SUBQ R14, R8
	MOVQ R8, ret+32(FP)
	VZEROUPPER
	RET
