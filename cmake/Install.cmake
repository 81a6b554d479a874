# SPDX-License-Identifier: Apache-2.0
# What is installed besides the programs. Every package is made of this alone, so that they do not differ.
set(SA_UNITDIR lib/systemd/system CACHE STRING "where systemd's units go, below the prefix")
set(share ${CMAKE_INSTALL_DATADIR}/scale-agent)
set(packaging ${PROJECT_SOURCE_DIR}/packaging)

install(FILES ${packaging}/systemd/scale-agent.service ${packaging}/systemd/scale-agent@.service
  DESTINATION ${SA_UNITDIR})
install(FILES ${packaging}/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME scale-agent.conf)
install(FILES ${packaging}/systemd/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME scale-agent.conf)

install(FILES ${packaging}/etc/scale-agent.yml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/scale-agent)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/scale-agent/scale-agent.d)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/scale-agent/accounts.d)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/scale-agent/kubeconfigs
  DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
install(FILES ${packaging}/etc/logrotate.conf DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/logrotate.d
  RENAME scale-agent)

install(FILES ${packaging}/etc/defaults.yml DESTINATION ${share} RENAME scale-agent.yml)
install(DIRECTORY ${packaging}/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

install(FILES ${packaging}/completion/scale-agentctl.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME scale-agentctl)
install(FILES ${packaging}/completion/scale-agentd.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME scale-agentd)
set(SA_ZSHDIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "where completions for zsh go, below the prefix")
install(FILES ${packaging}/completion/_scale-agent
  DESTINATION ${SA_ZSHDIR})
install(FILES proto/PROTOCOL.md proto/scale_agent.proto README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
