"""The openai client through the gateway: any program that speaks OpenAI's protocol can do this.

The gateway runs here in the same program; `its-agent serve` runs it on its own.
"""

import asyncio

from openai import AsyncOpenAI

from its_agent import Agent
from its_agent.integrations.gateway import gateway, listening

QUESTION = "A train goes 60 km in the first hour and 45 km in the second. How far did it go?"


async def ask(base_url: str) -> None:
    async with AsyncOpenAI(base_url=base_url, api_key="unused") as client:
        model = (await client.models.list()).data[0].id
        answer = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            extra_body={"max_compute_budget": 800, "receipt": True},
        )
    its = (answer.model_extra or {})["its"]
    print(answer.choices[0].message.content)
    print(its["answer"], its["status"], f"{its['confidence']:.0%}", its["stopped_because"])
    print(answer.usage)


async def main() -> None:
    app = gateway(Agent())
    async with listening(app, host="127.0.0.1", port=0) as here:
        await ask(f"{here.base_url}/v1")


asyncio.run(main())
