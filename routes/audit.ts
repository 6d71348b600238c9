import type { FastifyPluginAsync } from 'fastify'
import { AuditRequest, AuditResponse } from '../schemas/audit.ts'
import { compute } from '../src/service/compute.ts'
import { engineSchema } from './engine.ts'

export const auditRoute: FastifyPluginAsync = async (app) => {
  app.post(
    '/audit',
    {
      schema: engineSchema(
        {
          operationId: 'audit',
          summary: 'Who has the power, who could do better, and why',
          description:
            'Takes the body of /aggregate and audits the answer: the influence of each group on the policy, coalitions that could do ' +
            'better alone, fair shares, transfers, monotonicity, regret, and how much hangs on scales and anchors. Each finding ' +
            'says which choice caused it.',
        },
        AuditRequest,
        AuditResponse,
      ),
    },
    (request, reply) => compute('audit', request, reply),
  )
}
