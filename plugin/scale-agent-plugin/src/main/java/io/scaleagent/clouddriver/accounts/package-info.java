// SPDX-License-Identifier: Apache-2.0
/**
 * What the parts of the plugin tell each other of accounts: the store what all Clouddrivers know of
 * them ({@link io.scaleagent.clouddriver.accounts.AccountCatalog}), the host what they are inside
 * this Clouddriver ({@link io.scaleagent.clouddriver.accounts.LoadedAccounts}).
 */
package io.scaleagent.clouddriver.accounts;
