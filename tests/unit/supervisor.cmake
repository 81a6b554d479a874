# SPDX-License-Identifier: Apache-2.0
sa_unit_test(supervisor_policy supervisor_policy.c LINK sa_supervisor)
sa_unit_test(supervisor_diff supervisor_diff.c LINK sa_supervisor)
sa_unit_test(supervisor_parts supervisor_parts.c LINK sa_supervisor)
sa_unit_test(supervisor_service supervisor_service.c LINK sa_supervisor)
sa_unit_test(supervisor_watch supervisor_watch.c LINK sa_supervisor)

# The daemon with children whose behaviour is told by the account's name: tests/scenario runs it.
add_executable(scale-agentd-testchild supervisor_testchild.c)
target_link_libraries(scale-agentd-testchild PRIVATE sa_supervisor sa_exporter)
