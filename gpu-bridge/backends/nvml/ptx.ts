/**
 * Our two kernels in PTX ISA 6.0 for compute capability 5.0 and later; the driver compiles them for the GPU that is there.
 * Products and sums say `.rn`, which keeps the compiler from fusing them, so results are those of `arithmetic.ts` to the byte.
 */

/** vadd: x is the element; threads beyond n do nothing. */
const VADD = `
.visible .entry vadd(
  .param .u64 vadd_a,
  .param .u64 vadd_b,
  .param .u64 vadd_c,
  .param .u32 vadd_n
)
{
  .reg .pred %p<2>;
  .reg .b32 %r<6>;
  .reg .f32 %f<4>;
  .reg .b64 %rd<8>;

  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  ld.param.u32 %r5, [vadd_n];
  setp.ge.u32 %p1, %r4, %r5;
  @%p1 bra VADD_END;

  ld.param.u64 %rd1, [vadd_a];
  ld.param.u64 %rd2, [vadd_b];
  ld.param.u64 %rd3, [vadd_c];
  mul.wide.u32 %rd4, %r4, 4;
  add.u64 %rd5, %rd1, %rd4;
  add.u64 %rd6, %rd2, %rd4;
  add.u64 %rd7, %rd3, %rd4;
  ld.global.f32 %f1, [%rd5];
  ld.global.f32 %f2, [%rd6];
  add.rn.f32 %f3, %f1, %f2;
  st.global.f32 [%rd7], %f3;

VADD_END:
  ret;
}
`;

/** matmul: x is the column, y the row of the element; threads beyond n and m do nothing. */
const MATMUL = `
.visible .entry matmul(
  .param .u64 matmul_a,
  .param .u64 matmul_b,
  .param .u64 matmul_c,
  .param .u32 matmul_m,
  .param .u32 matmul_k,
  .param .u32 matmul_n
)
{
  .reg .pred %p<4>;
  .reg .b32 %r<14>;
  .reg .f32 %f<5>;
  .reg .b64 %rd<12>;

  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  mov.u32 %r5, %ctaid.y;
  mov.u32 %r6, %ntid.y;
  mov.u32 %r7, %tid.y;
  mad.lo.u32 %r8, %r5, %r6, %r7;
  ld.param.u32 %r9, [matmul_m];
  ld.param.u32 %r10, [matmul_k];
  ld.param.u32 %r11, [matmul_n];
  setp.ge.u32 %p1, %r4, %r11;
  @%p1 bra MATMUL_END;
  setp.ge.u32 %p2, %r8, %r9;
  @%p2 bra MATMUL_END;

  ld.param.u64 %rd1, [matmul_a];
  ld.param.u64 %rd2, [matmul_b];
  ld.param.u64 %rd3, [matmul_c];
  mul.lo.u32 %r12, %r8, %r10;
  mul.wide.u32 %rd4, %r12, 4;
  add.u64 %rd5, %rd1, %rd4;
  mul.wide.u32 %rd6, %r4, 4;
  add.u64 %rd7, %rd2, %rd6;
  mul.wide.u32 %rd8, %r11, 4;
  mov.f32 %f1, 0f00000000;
  mov.u32 %r13, 0;

MATMUL_STEP:
  ld.global.f32 %f2, [%rd5];
  ld.global.f32 %f3, [%rd7];
  mul.rn.f32 %f4, %f2, %f3;
  add.rn.f32 %f1, %f1, %f4;
  add.u64 %rd5, %rd5, 4;
  add.u64 %rd7, %rd7, %rd8;
  add.u32 %r13, %r13, 1;
  setp.lt.u32 %p3, %r13, %r10;
  @%p3 bra MATMUL_STEP;

  mul.lo.u32 %r12, %r8, %r11;
  add.u32 %r12, %r12, %r4;
  mul.wide.u32 %rd9, %r12, 4;
  add.u64 %rd10, %rd3, %rd9;
  st.global.f32 [%rd10], %f1;

MATMUL_END:
  ret;
}
`;

/** The module, as cuModuleLoadData takes it but for the NUL at its end. Its entries are named as the kernels are. */
export const MODULE = `.version 6.0
.target sm_50
.address_size 64
${VADD}${MATMUL}`;
