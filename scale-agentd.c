/* SPDX-License-Identifier: Apache-2.0 */
/* scale-agentd: the supervisor, and the entry points of the processes that it forks. */
int main(void)
{
    return 0;
}
