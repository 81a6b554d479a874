// SPDX-License-Identifier: Apache-2.0
/**
 * What Clouddriver does with kubectl, done by agents: each call of Clouddriver becomes a message to
 * the account's agent ({@link io.scaleagent.clouddriver.host.operations.AccountCalls}), is sent and
 * waited for ({@link io.scaleagent.clouddriver.host.operations.OperationCaller}), and is accounted
 * for ({@link io.scaleagent.clouddriver.host.operations.OperationRecord}).
 */
package io.scaleagent.clouddriver.host.operations;
