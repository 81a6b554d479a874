# SPDX-License-Identifier: Apache-2.0
sa_unit_test(ctl_commands ctl_commands.c ctl_fixture.c LINK sa_base PkgConfig::SQLITE)
target_compile_definitions(ctl_commands PRIVATE SA_CTL_PROGRAM="$<TARGET_FILE:scale-agentctl>")
add_dependencies(ctl_commands scale-agentctl)
sa_unit_test(ctl_seal ctl_seal.c ctl_fixture.c LINK sa_base PkgConfig::SQLITE)
target_compile_definitions(ctl_seal PRIVATE SA_CTL_PROGRAM="$<TARGET_FILE:scale-agentctl>")
add_dependencies(ctl_seal scale-agentctl)
sa_unit_test(ctl_output ctl_output.c LINK sa_ctl_commands)
sa_unit_test(ctl_op ctl_op.c LINK sa_ctl_commands)
