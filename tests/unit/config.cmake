# SPDX-License-Identifier: Apache-2.0
sa_unit_test(config_yaml config_yaml.c LINK sa_config)
sa_unit_test(config_keys config_keys.c LINK sa_config)
sa_unit_test(config_json config_json.c config_fixture.c LINK sa_config)
sa_unit_test(config_schema config_schema.c config_fixture.c LINK sa_config)
sa_unit_test(config_load config_load.c config_fixture.c LINK sa_config)
sa_unit_test(config_rules config_rules.c config_fixture.c LINK sa_config)
sa_unit_test(config_source config_source.c LINK sa_config)
sa_unit_test(config_secret_ref config_secret_ref.c LINK sa_config)
