/* SPDX-License-Identifier: MIT */
/* The exit code of a CUnit program: the same rule whichever library it is linked with. */
#ifndef TESSERA_CUNIT_VERDICT_H
#define TESSERA_CUNIT_VERDICT_H

/* Runs all registered tests, prints why the verdict is bad if it is, and cleans the registry up. Returns 0 when at
   least one test ran, no suite's set-up or clean-up failed, no test failed, and nothing was left inactive; else 1. */
int run_and_judge(void);

#endif
